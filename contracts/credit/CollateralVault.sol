// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {ERC20} from "solady/tokens/ERC20.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {ICollateralOracle} from "interfaces/ICollateralOracle.sol";
import {ICollateralVault} from "interfaces/ICollateralVault.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";
import {IRevenueSplitter} from "interfaces/IRevenueSplitter.sol";
import {IRevenueSplitterFactory} from "interfaces/IRevenueSplitterFactory.sol";
import {LendingPool} from "./LendingPool.sol";
import {Liquidation} from "./Liquidation.sol";

/// @title Loans that the rent repays
/// @notice See ICollateralVault for the whole documentation. The lenders' side is in `LendingPool`.
contract CollateralVault is LendingPool {
    using FixedPointMathLib for uint256;
    using SafeCastLib for uint256;
    using SafeTransferLib for address;

    uint256 internal constant MIN_LTV_GAP_BPS = 500;

    IRevenueSplitterFactory public immutable SPLITTERS;
    IComputeCapacity public immutable CAPACITY;
    uint256 public immutable MIN_DEBT;

    mapping(address collateral => Collateral) internal _collaterals;
    mapping(address account => mapping(address collateral => Position)) internal _positions;

    /// @notice Safety rests on: the stablecoin moves exactly what it says and calls nobody;
    /// splitters of the factory have a fixed supply, an index that never falls, shares that are
    /// plain ERC-20s, and a `claim` that pays all that the index counts or reverts; the owner lists
    /// honest oracles. Liveness rests on nothing but the stablecoin: repaying, and taking out
    /// shares without a debt, ask no oracle and wait for no dividend.
    /// @param config What the vault is made of.
    constructor(VaultConfig memory config) LendingPool(config) {
        require(config.splitters != address(0), BadAddress("splitters", config.splitters));
        require(config.capacity != address(0), BadAddress("capacity", config.capacity));
        _checkRange("minDebt", config.minDebt, 1, MAX_ASSETS);
        SPLITTERS = IRevenueSplitterFactory(config.splitters);
        CAPACITY = IComputeCapacity(config.capacity);
        MIN_DEBT = config.minDebt;
    }

    // ------------------------------------------------------------------ owner

    /// @inheritdoc ICollateralVault
    function listCollateral(
        address collateral,
        CollateralTerms calldata terms,
        uint256 cap
    ) external onlyOwner {
        // Check
        require(_collaterals[collateral].oracle == address(0), AlreadyListed(collateral));
        require(terms.oracle.code.length != 0, BadAddress("oracle", terms.oracle));
        _checkTerms(terms);
        _checkSplitter(collateral);

        // Effect
        _collaterals[collateral] = Collateral({
            oracle: terms.oracle,
            supply: ERC20(collateral).totalSupply().toUint96(),
            cap: cap.toUint96(),
            borrowLtvBps: terms.borrowLtvBps,
            liquidationLtvBps: terms.liquidationLtvBps,
            bonusBps: terms.bonusBps,
            borrowable: true
        });
        emit CollateralListed(collateral, terms);
        emit CollateralLimited(collateral, cap, true);
    }

    /// @inheritdoc ICollateralVault
    function limitCollateral(address collateral, uint256 cap, bool borrowable) external onlyOwner {
        Collateral storage listed = _listed(collateral);
        listed.cap = cap.toUint96();
        listed.borrowable = borrowable;
        emit CollateralLimited(collateral, cap, borrowable);
    }

    /// @dev Past the liquidation LTV there must be room for the bonus, or selling never helps.
    function _checkTerms(CollateralTerms calldata terms) internal pure {
        _checkRange("bonusBps", terms.bonusBps, 0, BPS);
        uint256 below = (BPS * BPS).divUp(BPS + terms.bonusBps) - 1;
        _checkRange("liquidationLtvBps", terms.liquidationLtvBps, MIN_LTV_GAP_BPS, below);
        uint256 most = terms.liquidationLtvBps - MIN_LTV_GAP_BPS;
        _checkRange("borrowLtvBps", terms.borrowLtvBps, 0, most);
    }

    /// @dev Splitter and capacity must name each other.
    function _checkSplitter(address collateral) internal view {
        require(SPLITTERS.isSplitter(collateral), NotSplitter(collateral));
        address paidIn = IRevenueSplitter(collateral).STABLECOIN();
        require(paidIn == ASSET, WrongStablecoin(collateral, paidIn));
        (address payee, address rentIn) = CAPACITY.payeeOf(
            IRevenueSplitter(collateral).CAPACITY_ID()
        );
        require(payee == collateral, NotPayee(collateral, payee));
        require(rentIn == ASSET, WrongStablecoin(collateral, rentIn));
    }

    // ------------------------------------------------------------------ borrowers

    /// @inheritdoc ICollateralVault
    function pledge(address collateral, uint256 shares) external {
        // Check
        require(shares != 0, ZeroAmount());
        Collateral storage listed = _listed(collateral);
        // While shares lie here nobody else holds all, so no token can be added.
        require(IRevenueSplitter(collateral).tokenCount() == 1, OtherDividends(collateral));

        // Interaction first: the index is read when the shares are here, so that no dividend from
        // before is ever counted. The splitter is known code and calls nobody.
        collateral.safeTransferFrom(msg.sender, address(this), shares);
        uint256 held = collateral.balanceOf(address(this));
        require(held <= listed.cap, CapExceeded(collateral, held, listed.cap));

        // Effect
        (Position storage position, bool known, ) = _touch(msg.sender, collateral, listed.supply);
        require(known, DividendsUnknown(collateral));
        position.shares += uint96(shares); // at most the cap
        emit Pledged(msg.sender, collateral, shares);
    }

    /// @inheritdoc ICollateralVault
    function withdrawCollateral(address collateral, uint256 shares, address receiver) external {
        // Check
        require(shares != 0, ZeroAmount());
        _requireReceiver(receiver);
        Collateral storage listed = _listed(collateral);
        (Position storage position, , ) = _touch(msg.sender, collateral, listed.supply);
        require(shares <= position.shares, NotEnoughShares(shares, position.shares));

        // Effect
        position.shares -= uint96(shares); // at most the position's
        if (position.debtParts != 0) {
            position.riskBlock = _thisBlock();
            _requireWithinLtv(position, collateral, listed);
        }
        emit CollateralWithdrawn(msg.sender, collateral, receiver, shares);

        // Interaction
        collateral.safeTransfer(receiver, shares);
    }

    /// @inheritdoc ICollateralVault
    function borrow(address collateral, uint256 assets, address receiver) external {
        // Check
        require(assets != 0, ZeroAmount());
        _requireReceiver(receiver);
        Collateral storage listed = _listed(collateral);
        require(listed.borrowable, BorrowingClosed(collateral));
        (Position storage position, , ) = _touch(msg.sender, collateral, listed.supply);
        uint256 free = _books.idle;
        require(assets <= free, NotEnoughLiquidity(assets, free));

        // Effect
        uint128 parts = assets.mulDivUp(PARTS, _interest.index).toUint128();
        position.debtParts += parts;
        position.riskBlock = _thisBlock();
        _books.idle = uint128(free - assets); // at most what was idle
        _books.debtParts += parts;
        _requireWithinLtv(position, collateral, listed);
        emit Borrowed(msg.sender, collateral, receiver, assets);

        // Interaction
        ASSET.safeTransfer(receiver, assets);
    }

    /// @inheritdoc ICollateralVault
    function repay(
        address account,
        address collateral,
        uint256 assets
    ) external returns (uint256 repaid) {
        require(assets != 0, ZeroAmount());
        (Position storage position, , ) = _touch(account, collateral, _listed(collateral).supply);

        repaid = _lowerDebt(position, assets);
        if (repaid == 0) return 0;
        emit Repaid(account, collateral, msg.sender, repaid);
        ASSET.safeTransferFrom(msg.sender, address(this), repaid);
    }

    /// @inheritdoc ICollateralVault
    function applyDividends(
        address account,
        address collateral
    ) external returns (uint256 applied) {
        (, , applied) = _touch(account, collateral, _listed(collateral).supply);
    }

    /// @inheritdoc ICollateralVault
    function claimSurplus(address collateral, address receiver) external returns (uint256 assets) {
        // Check
        _requireReceiver(receiver);
        (Position storage position, , ) = _touch(
            msg.sender,
            collateral,
            _listed(collateral).supply
        );
        require(position.debtParts == 0, DebtOutstanding(_debtUp(position.debtParts)));

        // Effect
        assets = position.dividends;
        position.dividends = 0;
        if (assets == 0) return 0;
        emit SurplusClaimed(msg.sender, collateral, receiver, assets);

        // Interaction
        IRevenueSplitter(collateral).claim(address(this));
        require(assets <= _unbooked(), DividendsStuck(collateral));
        ASSET.safeTransfer(receiver, assets);
    }

    /// @dev After debt was raised, or shares taken out under it. Dividends due count for the
    /// borrower.
    function _requireWithinLtv(
        Position storage position,
        address collateral,
        Collateral storage listed
    ) internal view {
        uint256 debt = _debtUp(position.debtParts);
        require(debt >= MIN_DEBT, DebtTooSmall(debt, MIN_DEBT));
        uint256 value = _requireValue(listed.oracle, collateral, position.shares);
        uint256 net = debt.zeroFloorSub(position.dividends);
        uint256 limit = value.mulDiv(listed.borrowLtvBps, BPS);
        require(net <= limit, BeyondLtv(net, limit));
    }

    // ------------------------------------------------------------------ dividends

    /// @dev The start of all that is done with a position: pulls its dividends, accrues interest,
    /// counts what the position earned and lowers its debt by it.
    /// @return position As it stands now.
    /// @return known Whether all that it earned is counted.
    /// @return applied By how much its debt fell.
    function _touch(
        address account,
        address collateral,
        uint256 supply
    ) internal returns (Position storage position, bool known, uint256 applied) {
        // Interaction: before anything is read that the rest depends on
        position = _positions[account][collateral];
        uint256 index;
        (index, known) = _dividendIndex(collateral);
        bool pulled =
            position.debtParts != 0 &&
                (position.dividends != 0 || index > position.dividendIndex) &&
                _pull(collateral);

        // Effect
        _accrue();
        uint256 earnedDown = _earnedDown(position, index, supply);
        uint256 dividends = position.dividends + earnedDown;
        if (pulled) {
            applied = _lowerDebt(position, FixedPointMathLib.min(dividends, _unbooked()));
        }
        if (index > position.dividendIndex) position.dividendIndex = index.toUint128();
        if (earnedDown != applied) position.dividends = (dividends - applied).toUint128();
        if (earnedDown != 0 || applied != 0) {
            emit DividendsApplied(account, collateral, index, earnedDown, applied);
        }
    }

    /// @dev A splitter that cannot say what it owes must not hold up a repayment.
    function _dividendIndex(address collateral) internal view returns (uint256 index, bool known) {
        try IRevenueSplitter(collateral).dividendIndex() returns (uint256 read) {
            return (read, true);
        } catch {
            return (0, false);
        }
    }

    /// @dev Whether all that the splitter ever owed for this collateral is here now. Anyone can
    /// have paid it in before, so what the call returns says nothing.
    function _pull(address collateral) internal returns (bool) {
        try IRevenueSplitter(collateral).claim(address(this)) {
            return true;
        } catch {
            return false;
        }
    }

    /// @dev Rounded down at every step, so that all positions together never earn more than is
    /// paid.
    function _earnedDown(
        Position storage position,
        uint256 index,
        uint256 supply
    ) internal view returns (uint256) {
        uint256 grown = index.zeroFloorSub(position.dividendIndex);
        return uint256(position.shares).mulDiv(grown, supply);
    }

    /// @dev Money here that is not the lenders': the most that dividends can come out of.
    function _unbooked() internal view returns (uint256) {
        return ASSET.balanceOf(address(this)).zeroFloorSub(_books.idle);
    }

    // ------------------------------------------------------------------ liquidation

    /// @inheritdoc ICollateralVault
    function liquidate(
        address account,
        address collateral,
        uint256 maxRepay,
        uint256 minSeized,
        address receiver
    ) external returns (uint256 repaid, uint256 seized) {
        // Check
        require(account != msg.sender, SelfLiquidation(account));
        _requireReceiver(receiver);
        Collateral storage listed = _listed(collateral);
        (Position storage position, bool known, ) = _touch(account, collateral, listed.supply);
        require(position.riskBlock != _thisBlock(), RiskRaisedInBlock(block.number));
        require(known, DividendsUnknown(collateral));
        require(position.dividends == 0 || position.debtParts == 0, DividendsStuck(collateral));
        Liquidation.Case memory sale = _caseOf(position, collateral, listed);

        // Effect
        bool closed;
        (repaid, seized, closed) = Liquidation.sale(sale, maxRepay);
        require(seized >= minSeized, SeizedBelowMin(seized, minSeized));
        _lowerDebt(position, repaid);
        uint256 badDebt = closed ? _writeOff(position) : 0;
        position.shares -= uint96(seized); // at most the position's
        // Debt per share must not have risen by rounding.
        require(
            _debtUp(position.debtParts) * sale.shares <= sale.debt * position.shares,
            WorseByRounding(repaid, seized)
        );
        emit Liquidated(account, collateral, msg.sender, receiver, repaid, seized, badDebt);

        // Interaction
        ASSET.safeTransferFrom(msg.sender, address(this), repaid);
        collateral.safeTransfer(receiver, seized);
    }

    /// @dev Reverts unless the position is past its liquidation LTV.
    function _caseOf(
        Position storage position,
        address collateral,
        Collateral storage listed
    ) internal view returns (Liquidation.Case memory) {
        uint256 debt = _debtUp(position.debtParts);
        uint256 value = _requireValue(listed.oracle, collateral, position.shares);
        uint256 limit = value.mulDiv(listed.liquidationLtvBps, BPS);
        require(debt > limit, PositionHealthy(debt, limit));
        return
            Liquidation.Case({
                debt: debt,
                value: value,
                shares: position.shares,
                targetLtvBps: listed.borrowLtvBps,
                bonusBps: listed.bonusBps,
                minDebt: MIN_DEBT
            });
    }

    /// @dev What is left of a debt without collateral: the reserves bear it first, the lenders the
    /// rest, by no longer counting it.
    function _writeOff(Position storage position) internal returns (uint256 badDebtUp) {
        uint256 parts = position.debtParts;
        if (parts == 0) return 0;
        badDebtUp = _debtUp(parts);
        uint256 lost = parts.mulDivUp(_interest.index, WAD);
        uint256 reserves_ = _interest.reserves;
        _interest.reserves = uint112(reserves_.zeroFloorSub(lost)); // at most what it was
        _books.debtParts -= uint128(parts);
        position.debtParts = 0;
    }

    /// @dev Takes up to `assets` off a debt; what pays for it is the caller's to see to.
    function _lowerDebt(Position storage position, uint256 assets) internal returns (uint256 paid) {
        uint128 parts = position.debtParts;
        uint256 debt = _debtUp(parts);
        paid = debt;
        if (assets < debt) {
            paid = assets;
            parts = uint128(assets.mulDiv(PARTS, _interest.index)); // below the position's
        }
        position.debtParts -= parts;
        _books.idle += paid.toUint128();
        _books.debtParts -= parts;
    }

    // ------------------------------------------------------------------ checks

    function _listed(address collateral) internal view returns (Collateral storage listed) {
        listed = _collaterals[collateral];
        require(listed.oracle != address(0), NotListed(collateral));
    }

    function _requireValue(
        address oracle,
        address collateral,
        uint256 shares
    ) internal view returns (uint256) {
        (uint256 value, bool valid) = _valueOf(oracle, collateral, shares);
        require(valid, ValueUnknown(collateral));
        return value;
    }

    /// @dev An oracle that fails says as much as one that says it does not know.
    function _valueOf(
        address oracle,
        address collateral,
        uint256 shares
    ) internal view returns (uint256 value, bool valid) {
        try ICollateralOracle(oracle).value(collateral, shares) returns (uint256 v, bool known) {
            return known ? (v, true) : (0, false);
        } catch {
            return (0, false);
        }
    }

    /// @dev Cut to its field: it is only ever compared with a block of its own time.
    function _thisBlock() internal view returns (uint32) {
        return uint32(block.number);
    }

    // ------------------------------------------------------------------ views

    /// @inheritdoc ICollateralVault
    function positionOf(
        address account,
        address collateral
    ) external view returns (Position memory) {
        return _positions[account][collateral];
    }

    /// @inheritdoc ICollateralVault
    function healthOf(
        address account,
        address collateral
    ) external view returns (uint256 debt, uint256 dividends, uint256 value, bool valid) {
        Collateral storage listed = _listed(collateral);
        Position storage position = _positions[account][collateral];
        (uint256 index, ) = _dividendIndex(collateral);
        debt = uint256(position.debtParts).mulDivUp(borrowIndex(), PARTS);
        dividends = position.dividends + _earnedDown(position, index, listed.supply);
        (value, valid) = _valueOf(listed.oracle, collateral, position.shares);
    }

    /// @inheritdoc ICollateralVault
    function collateralOf(address collateral) external view returns (Collateral memory) {
        return _collaterals[collateral];
    }
}
